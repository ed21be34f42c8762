"""Meta Ads: the client, what its answers mean, its errors, its consent."""
