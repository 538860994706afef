"""The `inbox` dialect (inbox API): shapes, request models and the table of statuses."""
