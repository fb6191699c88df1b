"""How an HTTP API is spoken to: requests, signing in, paginators, actions on errors, limits, retries, the client."""
