// Reads customers and reports with Opteo's client; prints rows or an error by stream as one line of JSON.
const { GoogleAdsApi } = require("google-ads-api");

const { client_id, client_secret, refresh_token, customer, since, until } = JSON.parse(process.argv[2]);
const client = new GoogleAdsApi({ client_id, client_secret, developer_token: "of-the-sandbox" });
const reports = { account: ["customer", "customer.id"], campaign: ["campaign", "campaign.id"], ad: ["ad_group_ad", "ad_group_ad.ad.id"] };
const metrics = ["metrics.cost_micros", "metrics.impressions", "metrics.clicks", "metrics.conversions"];

function flattened(value, prefix = "") {
  const isGroup = value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isGroup) return { [prefix]: value };
  return Object.assign({}, ...Object.entries(value).map(([name, part]) => flattened(part, prefix ? `${prefix}.${name}` : name)));
}

const streams = { "accessible customers": async () => (await client.listAccessibleCustomers(refresh_token)).resource_names };
const account = client.Customer({ customer_id: customer, refresh_token });
for (const [stream, [entity, id]] of Object.entries(reports)) {
  const options = { entity, attributes: [id], metrics, segments: ["segments.date"], from_date: since, to_date: until };
  streams[stream] = async () => (await account.report(options)).map((row) => flattened(row));
}

(async () => {
  const answers = {};
  for (const [stream, read] of Object.entries(streams)) {
    answers[stream] = await read().then((rows) => ({ rows }), (error) => ({ error: String(error.message || JSON.stringify(error)) }));
  }
  console.log(JSON.stringify(answers));
  process.exit(0);
})();
