"""What the services need from the world; every docstring here is a contract that tests hold each adapter to."""
