"""
Ready-made fake services: they keep state and behave, and are more than lists of canned answers.

A service registers its routes on a :class:`~api_simulator.http.MockHttpServer`. Those of this package and of
installed plug-ins are found by name, and imported when they are asked for.
"""

from __future__ import annotations

from api_simulator.services._catalogue import service_class, service_names
from api_simulator.services._fixture import FakeServices
from api_simulator.services._service import Service
from api_simulator.services._settings import NoSettings

__all__ = ["FakeServices", "NoSettings", "Service", "service_class", "service_names"]
