#!/usr/bin/env bash
# Customer and Product (owned_by Customer), then their relationship by a multi-hop query: the walk-through of the README,
# one command after the other without waiting. Needs curl and jq, and the platform with authentication switched off
# (see README); ports are OMS_PORT and BFF_PORT.
set -euo pipefail
OMS="http://localhost:${OMS_PORT:-8000}"
BFF="http://localhost:${BFF_PORT:-8002}"

DB=demo_db_$(date +%s)

# 1) Create DB (OMS; async 202)
curl -fsS -X POST "${OMS}/api/v1/database/create" \
  -H 'Content-Type: application/json' \
  -d "{\"name\":\"${DB}\",\"description\":\"demo\"}" | jq .

# 2) Create ontologies (OMS; async 202)
curl -fsS -X POST "${OMS}/api/v1/database/${DB}/ontology" \
  -H 'Content-Type: application/json' \
  -d '{
    "id":"Customer",
    "label":"Customer",
    "properties":[
      {"name":"customer_id","type":"string","required":true},
      {"name":"name","type":"string","required":true}
    ],
    "relationships":[]
  }' | jq .

curl -fsS -X POST "${OMS}/api/v1/database/${DB}/ontology" \
  -H 'Content-Type: application/json' \
  -d '{
    "id":"Product",
    "label":"Product",
    "properties":[
      {"name":"product_id","type":"string","required":true},
      {"name":"name","type":"string","required":true}
    ],
    "relationships":[
      {"predicate":"owned_by","target":"Customer","label":"Owned By","cardinality":"n:1"}
    ]
  }' | jq .

# 3) Create instances (OMS; async 202) and capture command_ids
CUST_CMD=$(curl -fsS -X POST "${OMS}/api/v1/instances/${DB}/async/Customer/create" \
  -H 'Content-Type: application/json' \
  -d '{"data":{"customer_id":"cust_001","name":"Alice"}}' | jq -r '.command_id')

PROD_CMD=$(curl -fsS -X POST "${OMS}/api/v1/instances/${DB}/async/Product/create" \
  -H 'Content-Type: application/json' \
  -d '{"data":{"product_id":"prod_001","name":"Shirt","owned_by":"Customer/cust_001"}}' | jq -r '.command_id')

# 4) Observe async completion (OMS command status)
curl -fsS "${OMS}/api/v1/commands/${CUST_CMD}/status" | jq .
curl -fsS "${OMS}/api/v1/commands/${PROD_CMD}/status" | jq .

# 5) Multi-hop query (BFF federation)
curl -fsS -X POST "${BFF}/api/v1/graph-query/${DB}" \
  -H 'Content-Type: application/json' \
  -d '{
    "start_class":"Product",
    "hops":[{"predicate":"owned_by","target_class":"Customer"}],
    "filters":{"product_id":"prod_001"},
    "limit":10,
    "offset":0,
    "max_nodes":200,
    "max_edges":500,
    "no_cycles":true,
    "include_documents":true
  }' | jq .
