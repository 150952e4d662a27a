"""What an endpoint says over gRPC: the Open Inference Protocol, answered by the same endpoint as over HTTP."""

# of the protocol
SERVICE = "inference.GRPCInferenceService"
