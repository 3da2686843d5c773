"""Institutions that have a contract with the insurer (定点医药机构)."""
