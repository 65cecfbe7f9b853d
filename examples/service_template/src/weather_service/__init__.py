"""A fake weather service for api-simulator."""
