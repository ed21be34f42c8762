// Reads campaigns and insights with Meta's Node SDK; prints rows or an error by stream as one line of JSON.
const { AdAccount, FacebookAdsApi } = require("facebook-nodejs-business-sdk");

const { token, account, version, since, until } = JSON.parse(process.argv[2]);
const api = FacebookAdsApi.init(token, "en_US", false);
const range = { time_range: { since, until }, time_increment: 1, limit: 25 };

function fieldsOf(level) {
  return [`${level}_id`, "spend", "impressions", "clicks"];
}

async function pages(cursor) {
  const rows = cursor.map((object) => object._data);
  while (cursor.hasNext()) rows.push(...(await cursor.next()).map((object) => object._data));
  return rows;
}

async function atAddress(path, params) {
  const query = new URLSearchParams({ ...params, access_token: token });
  let address = `https://graph.facebook.com/${version}/act_${account}/${path}?${query}`;
  const rows = [];
  while (address) {
    const answer = await api.call("GET", address);
    rows.push(...answer.data);
    address = answer.paging && answer.paging.next;
  }
  return rows;
}

const node = new AdAccount(`act_${account}`);
const streams = { "campaign list": async () => pages(await node.getCampaigns(["name"], { limit: 2 })) };
streams[`campaign list at ${version}`] = () => atAddress("campaigns", { fields: "name", limit: 2 });
for (const level of ["account", "campaign", "ad"]) {
  streams[`${level} insights`] = async () => pages(await node.getInsights(fieldsOf(level), { ...range, level }));
  streams[`${level} insights at ${version}`] = () =>
    atAddress("insights", { ...range, time_range: JSON.stringify(range.time_range), level, fields: fieldsOf(level).join(",") });
}

(async () => {
  const answers = {};
  for (const [stream, read] of Object.entries(streams)) {
    answers[stream] = await read().then((rows) => ({ rows }), (error) => ({ error: String(error.message || error) }));
  }
  console.log(JSON.stringify(answers));
})();
