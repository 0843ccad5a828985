-- Crashes by signature. The table `crashes` has one row a dump or stack trace; see the programs beside this file.
-- The order is complete, so that every engine gives the same report.
SELECT
  count(*) AS total,
  signature,
  -- A dump that holds less may give a neutral kind of the same crash (docs/format.md), which sorts after it.
  min(kind) AS kind,
  min(time) AS first_seen,
  max(time) AS last_seen,
  count(DISTINCT version) AS versions,
  min(path) AS representative
FROM crashes
WHERE error IS NULL
GROUP BY signature
ORDER BY total DESC, signature
