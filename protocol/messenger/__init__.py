"""The `messenger` dialect (messenger API): shapes, request models, socket frames and the table of codes."""
