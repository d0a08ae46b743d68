-- seed/get
SELECT seed FROM seed
