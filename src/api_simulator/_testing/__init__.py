"""
What ``api_simulator.testing`` offers, a file for each kind of check.
"""
