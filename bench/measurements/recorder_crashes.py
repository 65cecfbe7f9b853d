"""
Is a recording whole after whatever happens to the recorder?

A thousand recorders are killed, or lose their disk, at random moments; ``bench/recorder_campaign.py`` has the ways.
"""

from __future__ import annotations

from bench import recorder_campaign
from bench.result import Bar, Chart, Figure, Result


def measure(*, quick: bool) -> Result:
    result = Result("recorder_crashes", "Is a recording whole after whatever happens to the recorder?")
    found = recorder_campaign.campaign(25 if quick else 1000)
    control = recorder_campaign.campaign(25 if quick else 100, control=True)
    for kind, count in found.trials.items():
        result.figures.append(Figure(f"recorders broken by {kind}", float(count), "trials"))
    result.figures.append(Figure("steps whose calls had returned", float(found.steps_returned), "steps"))
    result.figures.append(Figure("steps found on disk", float(found.steps_on_disk), "steps"))
    result.bars += [
        Bar("no step is lost whose call had returned", float(len(found.lost)), "trials", at_most=0),
        Bar("every recording can be read", float(len(found.broken)), "trials", at_most=0),
        Bar(
            "at least 1,000 recorders were broken",
            None if quick else float(sum(found.trials.values())),
            "trials",
            at_least=1000,
        ),
        Bar(
            "the campaign finds a recorder that writes its manifest in place",
            float(len(control.lost) + len(control.broken)),
            "trials",
            at_least=1,
        ),
    ]
    result.notes += [f"not run: {kind}: {reason}" for kind, reason in found.not_run.items()]
    result.notes += [*found.lost[:10], *found.broken[:10]]
    drawn = tuple(figure.name for figure in result.figures if figure.unit == "trials")
    result.chart = Chart("Recorders broken at random moments, none lost a step", drawn)
    return result
