"""What people ask of the database: SQL that only reads."""
