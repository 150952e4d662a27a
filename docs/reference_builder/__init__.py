"""Makes the reference of the site from the program itself, whenever the site is built: it cannot be out of date."""
