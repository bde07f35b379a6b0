"""The data engine, put together: sources, models and servers are opened here."""
