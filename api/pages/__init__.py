"""Parts of every page: templates, scripts, login. Knows no subject."""
