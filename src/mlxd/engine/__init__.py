"""The engine process: started by the supervisor and spoken to in frames, never imported."""
