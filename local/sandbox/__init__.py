"""A server that behaves as ChartMogul, Zendesk and Google Sheets do, over one synthetic company. See `app`."""
