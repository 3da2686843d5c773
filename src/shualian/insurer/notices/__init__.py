"""The notice before the camera: packaged versions whose words agree with what runs."""
