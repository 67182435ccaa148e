"""Objects on S3 and on servers that speak its protocol: AWS, MinIO, SeaweedFS."""
