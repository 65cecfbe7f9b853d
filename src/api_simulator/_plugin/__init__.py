"""
What the pytest plugin does when it is used; ``api_simulator.pytest_plugin`` loads it then and not earlier.
"""
