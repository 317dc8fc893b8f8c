"""The digit classifier, trained from nothing."""

import pytest

from trainer.digits import train_classifier


@pytest.mark.slow
def test_the_classifier_can_be_trained_again():
    stored = train_classifier()
    assert stored["held_out_accuracy"] > 0.98
