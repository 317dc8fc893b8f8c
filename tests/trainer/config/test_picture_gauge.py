"""Which trials are gauged by FD-pictures."""

from sweep.paper.scores import SCORE_TITLES
from tests.own_pictures import own_config
from trainer.config.costs import cpu_seconds
from trainer.config.picture_gauge import FEWEST, SCORE, TITLE, gauge_hash, is_gauged
from trainer.config.trial import trial_config


def test_own_pictures_are_unless_they_are_few():
    assert is_gauged(own_config().scorer)
    assert is_gauged(own_config(images=FEWEST).scorer)
    assert own_config(images=FEWEST - 1).scorer is None
    assert own_config(images=FEWEST - 1).score_name == "fid"


def test_no_other_trial_is():
    for config in (
        own_config(scorer="f" * 64),
        trial_config("paper", "C_8-32", "sn", 0),
        trial_config("digits", "C_8-32", "sn", 0),
    ):
        assert not is_gauged(config.scorer)
        assert config.score_name != SCORE


def test_it_costs_little_beside_an_inception_network():
    gauged, without = own_config(), own_config(images=FEWEST - 1)
    with_inception = own_config(scorer="f" * 64)
    assert 1 < cpu_seconds(gauged) / cpu_seconds(without) < 1.3
    assert cpu_seconds(with_inception) > 5 * cpu_seconds(gauged)


def test_its_recipe_is_part_of_the_identity(monkeypatch):
    before = own_config().trial_id
    gauge_hash.cache_clear()
    monkeypatch.setattr("trainer.config.picture_gauge.VERSION", 2)
    assert own_config().trial_id != before
    monkeypatch.undo()
    gauge_hash.cache_clear()
    assert own_config().trial_id == before


def test_pages_and_trials_have_one_name_for_it():
    assert SCORE_TITLES[SCORE] == TITLE
