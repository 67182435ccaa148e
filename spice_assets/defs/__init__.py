"""Assets, checks and sensors, one folder per kind of data product."""
