"""A client of the sandbox's Google REST interface, without an SDK."""

import httpx

QUERY = (
    "SELECT ad_group_ad.ad.id, ad_group_ad.ad.type, segments.date, metrics.cost_micros, metrics.impressions, metrics.conversions "
    "FROM ad_group_ad WHERE segments.date DURING LAST_7_DAYS"
)


class Rest:
    """Calls one customer of a sandbox; answers are those of httpx."""

    def __init__(self, google, customer="Alpenglow Reisen", label="full", login="Summit Media Group"):
        self.google, self.customer = google, google.world.customer(customer).id
        form = {"grant_type": "refresh_token", "refresh_token": google.world.credentials[label].refresh_token}
        described = google.describe("")
        form |= {name: described[name] for name in ("client_id", "client_secret")}
        token = httpx.post(google.token_url, data=form, trust_env=False).json()["access_token"]
        headers = {"authorization": f"Bearer {token}", "developer-token": "none", "login-customer-id": google.world.customer(login).id}
        self.http = httpx.Client(base_url=google.rest_url, headers=headers, trust_env=False, timeout=60)

    def search(self, query=QUERY, *, method="search", version="v23", customer=None, **body):
        path = f"/{version}/customers/{customer or self.customer}/googleAds:{method}"
        return self.http.post(path, json={"query": query, **body})

    def stream(self, query=QUERY, **options):
        return self.search(query, method="searchStream", **options)
