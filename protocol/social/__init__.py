"""The `social` dialect (social API): shapes, request models, socket frames and the table of statuses and codes."""
