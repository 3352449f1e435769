"""What writes docs/ where people do not: `make docs`, `make picture` and `make tutorial`.

All of it comes from what the program itself goes by, or prints, so a page cannot promise what is not there.
"""
