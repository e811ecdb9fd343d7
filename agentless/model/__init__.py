"""The nouns that all floors share, as frozen values: jobs, their states, requests and answers, endpoints."""
