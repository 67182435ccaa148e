-- Databases beside `spice`, made when the server's volume is new.
CREATE DATABASE dagster;
CREATE DATABASE lakefs;
