"""The `im` dialect (im API): shapes, request models, socket frames and the table of statuses."""
