"""Examinations and laboratory tests: worklist, results, reports and who collected them."""
