-- Crashes by signature. The table `crashes` has one row a dump; see the programs beside this file.
-- The order is complete, so that every engine gives the same report.
SELECT
  count(*) AS dumps,
  signature,
  kind,
  min(time) AS first_seen,
  max(time) AS last_seen,
  count(DISTINCT version) AS versions,
  min(path) AS representative
FROM crashes
WHERE error IS NULL
GROUP BY signature, kind
ORDER BY dumps DESC, signature, kind
