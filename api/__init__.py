"""Questions answered, changes taken: a thin layer over the database and the results stream."""
