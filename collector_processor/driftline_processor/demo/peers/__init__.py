"""Recording peers: services elsewhere that the examples and the tests ask, on this machine.

They take what the real service takes, check each request against the schema that its vendor publishes, and keep what
came. ``internet`` leads every host of HTTPS here; ``mail`` takes letters. ``kafka`` and ``real_airflow`` start the real
service where it is installed.
"""
