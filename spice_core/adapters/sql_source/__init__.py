"""Any SQL database that SQLAlchemy reaches, read only."""
