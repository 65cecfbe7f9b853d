"""The campaign that breaks recorders: a few of its thousand moments, and that it bites."""

import pytest

from bench import recorder_campaign


@pytest.mark.timeout(180)
def test_a_recorder_that_is_broken_loses_no_step_that_it_has_returned_from():
    found = recorder_campaign.campaign(10, seed=7)

    assert found.lost == found.broken == []
    assert found.steps_returned > 10


@pytest.mark.timeout(180)
def test_the_campaign_finds_a_recorder_that_writes_its_manifest_in_place():
    found = recorder_campaign.campaign(15, seed=1, control=True)

    assert found.lost or found.broken


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_hundreds_of_broken_recorders_lose_nothing():
    found = recorder_campaign.campaign(300, seed=11)

    assert found.lost == found.broken == []
