"""
Measurements against peers: what this package costs beside what it would replace.

``python -m bench`` runs all of them, ``python -m bench start_stop`` one, ``--quick`` a short version.
Absolute times say something about one machine only, so each measurement runs its peers in the same
run, alternating with ours, and states a bar as a ratio or as a budget of milliseconds. Results go to
``bench/results`` as JSON, with a picture of each. The environment variable ``API_SIMULATOR_ENGINE`` chooses
the engine that is measured.
"""
