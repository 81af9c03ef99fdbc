"""Results: published numbers, the records of the project's own runs, and the tables made of both.

`published/` holds CSV files of published numbers, `records/` the project's own records (in the repository,
but not in the installed package), `tables/` the tables.
"""
