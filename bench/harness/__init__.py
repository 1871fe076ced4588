"""What every scenario needs: servers, load runs, processor time and memory, tables."""
