"""The service's questions as tools of the Model Context Protocol."""
