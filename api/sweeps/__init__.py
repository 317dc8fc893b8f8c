"""Sweeps: progress, alerts, requests to them, their JSON and their pages."""
