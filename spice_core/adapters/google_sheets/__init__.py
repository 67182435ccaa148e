"""Google Sheets, over the few endpoints of its REST interface that reading needs."""
