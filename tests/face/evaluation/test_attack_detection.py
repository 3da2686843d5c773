import math

from shualian.face.evaluation.attack_detection import Presentation, measure_attack_detection

SHOWN = (
    Presentation("print", 0.9),  # passes
    Presentation("print", 0.1),
    Presentation("print", 0.2),
    Presentation("print", None),
    Presentation("screen", 0.5),  # at the threshold: passes
    Presentation("screen", 0.4),
    Presentation("mask", None),
    Presentation(None, 0.8),
    Presentation(None, 0.5),
    Presentation(None, 0.49),  # rejected
    Presentation(None, None),
)


def test_each_attack_type_has_its_rate_over_the_presentations_with_a_response() -> None:
    found = measure_attack_detection(SHOWN, threshold=0.5)
    assert list(found.attack_types) == ["mask", "print", "screen"]
    prints, screens = found.attack_types["print"], found.attack_types["screen"]
    assert (prints.apcer.errors, prints.apcer.trials) == (1, 3)
    assert (screens.apcer.errors, screens.apcer.trials) == (1, 2)


def test_the_stated_apcer_is_that_of_the_worst_attack_type() -> None:
    assert measure_attack_detection(SHOWN, threshold=0.5).apcer_max == 0.5


def test_non_responses_are_counted_apart() -> None:
    found = measure_attack_detection(SHOWN, threshold=0.5)
    assert found.attack_types["print"].apnrr.rate == 0.25
    assert found.attack_types["mask"].apnrr.rate == 1.0
    assert found.attack_types["mask"].apcer.trials == 0
    assert found.bpnrr.rate == 0.25


def test_live_people_below_the_threshold_are_the_bpcer() -> None:
    found = measure_attack_detection(SHOWN, threshold=0.5)
    assert (found.bpcer.errors, found.bpcer.trials) == (1, 3)


def test_a_higher_threshold_trades_one_error_for_the_other() -> None:
    strict = measure_attack_detection(SHOWN, threshold=0.95)
    assert strict.apcer_max == 0.0
    assert strict.bpcer.rate == 1.0


def test_without_attacks_or_live_people_there_is_no_rate() -> None:
    found = measure_attack_detection([Presentation("mask", None)], threshold=0.5)
    assert math.isnan(found.apcer_max)
    assert math.isnan(found.bpcer.rate)
    assert found.bpcer.upper95 == 1.0
