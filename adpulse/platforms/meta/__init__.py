"""Meta Ads: the client, the meaning of its answers, its errors, its consent."""
