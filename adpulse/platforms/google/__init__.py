"""Google Ads: the client, its queries and messages, what its answers mean, its errors, its consent."""
