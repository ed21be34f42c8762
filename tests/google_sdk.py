"""The official google-ads SDK pointed at a sandbox, unpatched, and what it answers in plain values."""

from google.ads.googleads.client import GoogleAdsClient
from google.ads.googleads.errors import GoogleAdsException
from google.oauth2.credentials import Credentials

from adpulse_sandbox.google import oauth


def client(google, *, label="full", login="Summit Media Group", plus=False, version="v23"):
    """A client of the official SDK, logged in with one of the sandbox's refresh tokens."""
    credentials = Credentials(
        None,
        refresh_token=google.world.credentials[label].refresh_token,
        client_id=oauth.CLIENT_ID,
        client_secret=oauth.CLIENT_SECRET,
        token_uri=google.token_url,
    )
    above = google.world.customer(login).id if login else None
    return GoogleAdsClient(credentials, endpoint=google.endpoint, use_proto_plus=plus, version=version, login_customer_id=above)


class Ads:
    """Asks one customer of a sandbox with the SDK; rows as dicts of what is set, by field name."""

    def __init__(self, google, customer="Alpenglow Reisen", **options):
        self.google = google
        self.customer = google.world.customer(customer)
        self.sdk = client(google, **options)
        self.service = self.sdk.get_service("GoogleAdsService")

    def stream(self, query, **request):
        asked = {"customer_id": self.customer.id, "query": query, **request}
        return list(self.service.search_stream(request=asked, timeout=60))

    def rows(self, query):
        return [fields_of(row) for batch in self.stream(query) for row in batch.results]

    def page(self, query, **request):
        asked = {"customer_id": self.customer.id, "query": query, **request}
        return next(self.service.search(request=asked, timeout=60).pages)

    def refused(self, query):
        """The family and code of the error that a query is refused with."""
        try:
            self.stream(query)
        except GoogleAdsException as error:
            return code(error.failure)
        return None


def code(failure):
    """The family and the name of the code of a failure's only error."""
    (error,) = (failure if hasattr(failure, "ListFields") else type(failure).pb(failure)).errors
    ((field, number),) = error.error_code.ListFields()
    return field.name, field.enum_type.values_by_number[number].name


def fields_of(message, prefix=""):
    """The fields that are set in a message, by name; repeated and empty messages as they are."""
    fields = {}
    for field, value in message.ListFields():
        name = prefix + field.name.rstrip("_")
        is_whole = field.is_repeated or field.message_type is None or field.message_type.name in ("ChangedResource", "FieldMask")
        if field.enum_type and not field.is_repeated:
            fields[name] = field.enum_type.values_by_number[value].name
        elif is_whole:
            fields[name] = list(value) if field.is_repeated else value
        else:
            fields |= fields_of(value, f"{name}.") or {name: value}
    return fields
