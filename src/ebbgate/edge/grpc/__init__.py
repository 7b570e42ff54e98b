"""flagd's gRPC services on a port of their own; needs the extra `grpc`, and is imported only where the port is set."""
