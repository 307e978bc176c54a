"""A slide's pixels for the browser: the route, the pyramid, who may fetch, and the open slides."""
