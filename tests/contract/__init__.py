"""What every service must do, whatever is behind it.

Each module has a class of tests with a few methods to override: subclass it in a test module, say how to make the
service, and pytest collects the rest. `test_built_ins.py` does so for the built-in services.
"""
