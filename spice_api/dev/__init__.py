"""The supervisor behind `spice dev`: every part of the platform as a child process of one program."""
